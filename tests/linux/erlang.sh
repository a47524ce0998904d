# erlang with its JIT: processes, messages, ports, code loading, TCP.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export HOME="$PWD"
cat > t.erl <<'END'
-module(t).
-export([main/0, loop/1]).
loop(N) -> receive {From, X} -> From ! {self(), X * N}, loop(N); stop -> ok end.
fib(N) when N < 2 -> N; fib(N) -> fib(N - 1) + fib(N - 2).
main() ->
    Pids = [spawn(?MODULE, loop, [I]) || I <- lists:seq(1, 2000)],
    [P ! {self(), 2} || P <- Pids], Sum = lists:sum([receive {P, V} -> V end || P <- Pids]), 4002000 = Sum, [P ! stop || P <- Pids],
    196418 = fib(27), "out\n" = os:cmd("echo out"), {'EXIT', _} = (catch 1 / (length(Pids) - 2000)),
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}]), {ok, Port} = inet:port(L), S = self(),
    spawn(fun() -> {ok, A} = gen_tcp:accept(L), {ok, D} = gen_tcp:recv(A, 4), gen_tcp:send(A, D), S ! done, timer:sleep(1000) end),
    {ok, C} = gen_tcp:connect("127.0.0.1", Port, [binary, {active, false}]), ok = gen_tcp:send(C, <<"ping">>), {ok, <<"ping">>} = gen_tcp:recv(C, 4), receive done -> ok end,
    T = ets:new(t, []), [ets:insert(T, {I, I}) || I <- lists:seq(1, 10000)], 10000 = ets:info(T, size), timer:sleep(10), jit = erlang:system_info(emu_flavor),
    io:format("passed~n"), init:stop().
END
erlc t.erl; [ "$(timeout 200 erl -noshell -s t main)" = passed ]
echo ok
