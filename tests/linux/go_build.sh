# go: build, run and test a module: goroutines, preemption, signals, processes, HTTP.
# system: full
# limit: 900
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export GOFLAGS=-mod=mod GOPATH="$PWD/go" GOCACHE="$PWD/cache" GOTOOLCHAIN=local CGO_ENABLED=0 GOPROXY=off; mkdir m; cd m; go mod init example.test/m 2> /dev/null
cat > main.go <<'END'
package main
import ("fmt"; "io"; "net/http"; "net/http/httptest"; "os"; "os/exec"; "os/signal"; "runtime"; "sync"; "syscall"; "time")
func Sum(n int) int { c := make(chan int); var wg sync.WaitGroup; for i := 1; i <= n; i++ { wg.Add(1); go func(i int) { defer wg.Done(); c <- i }(i) }; go func() { wg.Wait(); close(c) }(); s := 0; for v := range c { s += v }; return s }
func must(ok bool, what string) { if !ok { fmt.Println("failed:", what); os.Exit(1) } }
func Nil() (text string) { defer func() { text = fmt.Sprint(recover()) }(); var p *int; *p = 1; return }
func main() {
    must(Sum(1000) == 500500, "sum")
    must(Nil() == "runtime error: invalid memory address or nil pointer dereference", "nil")
    s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })); r, err := http.Get(s.URL + "/path"); must(err == nil, "get"); b, _ := io.ReadAll(r.Body); must(string(b) == "/path", "body")
    out, err := exec.Command("sh", "-c", "echo out; exit 4").Output(); must(string(out) == "out\n" && err.(*exec.ExitError).ExitCode() == 4, "exec"); must(exec.Command("/nonexistent").Run() != nil, "missing")
    c := make(chan os.Signal, 1); signal.Notify(c, syscall.SIGUSR1); syscall.Kill(os.Getpid(), syscall.SIGUSR1); must(<-c == syscall.SIGUSR1, "signal")
    runtime.GOMAXPROCS(2); stop := false; go func() { for !stop { } }(); t := time.Now(); for i := 0; i < 20; i++ { runtime.GC(); time.Sleep(time.Millisecond) }; stop = true; must(time.Since(t) < time.Minute, "preemption")
    var keep [][]byte; for i := 0; i < 20000; i++ { keep = append(keep, make([]byte, 1000)); if i%100 == 0 { keep = keep[len(keep)/2:] } }; must(len(keep) > 0, "gc")
    start := time.Now(); time.Sleep(20 * time.Millisecond); d := time.Since(start); must(d >= 20*time.Millisecond && d < 10*time.Second, "clock"); fmt.Println("ran")
}
END
printf 'package main\nimport "testing"\nfunc TestSum(t *testing.T) { if Sum(10) != 55 { t.Fatal("sum") } }\nfunc BenchmarkSum(b *testing.B) { for i := 0; i < b.N; i++ { Sum(10) } }\n' > main_test.go
go build -o program . ; [ "$(./program)" = ran ]; [ "$(go run .)" = ran ]; go test -bench . -benchtime 10x ./... | grep -q PASS; go vet ./...
echo ok
