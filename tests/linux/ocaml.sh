# ocaml: bytecode and native code, exceptions, Unix processes and signals, stack overflow.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > t.ml <<'END'
let rec fib n = if n < 2 then n else fib (n - 1) + fib (n - 2)
let rec deep n = if n = 0 then 0 else 1 + deep (n - 1)
let () = assert (fib 25 = 75025);
  let seen = ref 0 in Sys.set_signal Sys.sigusr1 (Sys.Signal_handle (fun _ -> incr seen)); Unix.kill (Unix.getpid ()) Sys.sigusr1; for _ = 1 to 1000 do ignore (Sys.opaque_identity (ref 0)) done; Gc.full_major (); assert (!seen = 1);
  (match Unix.fork () with 0 -> Unix._exit 5 | pid -> assert (snd (Unix.waitpid [] pid) = Unix.WEXITED 5));
  (try ignore (deep 100_000_000); () with Stack_overflow -> ()); (try ignore (1 / (Array.length Sys.argv - 1)); assert false with Division_by_zero -> ());
  let h = Hashtbl.create 10 in for i = 1 to 100000 do Hashtbl.replace h (i mod 1000) (string_of_int i) done; assert (Hashtbl.length h = 1000); let c = Unix.open_process_in "echo sub" in assert (input_line c = "sub"); print_endline "passed"
END
ocamlfind ocamlopt 2> /dev/null || true; ulimit -s 8192; ocamlopt -I +unix unix.cmxa t.ml -o native; [ "$(./native)" = passed ]; ocamlc -I +unix unix.cma t.ml -o byte; [ "$(./byte)" = passed ]
echo ok
