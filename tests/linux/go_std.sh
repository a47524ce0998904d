# go: tests of standard packages.
# system: full
# limit: 1800
# each: strings sync os/exec os/signal net/http/httptest time context encoding/json runtime/debug syscall bufio compress/gzip
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export GOPATH="$PWD/go" GOCACHE="$PWD/cache" GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-trimpath GOPROXY=off
go test -short -vet=off "$1" > out 2>&1 || { tail -n 60 out; exit 1; }
tail -n 2 out; echo ok
