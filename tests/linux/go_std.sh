# go: tests of standard packages.
# system: full
# limit: 1800
# rounds: inside
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export GOPATH="$PWD/go" GOCACHE="$PWD/cache" GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-trimpath GOPROXY=off
packages='strings sync os/exec os/signal net/http/httptest time context encoding/json runtime/debug syscall bufio compress/gzip'
# With -L alone a symbolic link to what is in the system only leads nowhere for chdir(2), which TestExplicitPWD does.
only=(); [ "$WAY" = binfmt ] || only=(-run '^(Example|Test([^E]|E[^x]|Ex[^p]))')
# shellcheck disable=SC2086
go test -short -vet=off -count="${EMU_TEST_ROUNDS:-1}" "${only[@]}" $packages > out 2>&1 || { grep -v '^ok' out | tail -n 60; exit 1; }
[ "$(grep -c '^ok' out)" = 12 ]; echo ok
