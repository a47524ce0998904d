# lua and luajit: coroutines, closures, pcall, os.execute; luajit compiles and uses ffi.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > test.lua <<'END'
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end assert(fib(24) == 46368)
local co = coroutine.wrap(function() for i = 1, 1000 do coroutine.yield(i * i) end end) local s = 0 for i = 1, 1000 do s = s + co() end assert(s == 333833500)
local ok, e = pcall(function() error({ code = 7 }) end) assert(not ok and e.code == 7) local t = {} for i = 1, 100000 do t[i] = tostring(i) end assert(#table.concat(t) == 488895)
local p = io.popen("echo piped") assert(p:read("*l") == "piped") p:close() local ok, e = pcall(function() local function f() return 1 + f() end return f() end) assert(not ok and tostring(e):find("stack overflow"))
if jit then local ffi = require "ffi" ffi.cdef "int getpid(void); size_t strlen(const char *); void qsort(void *, size_t, size_t, int (*)(const int *, const int *));" assert(ffi.C.getpid() > 0 and ffi.C.strlen("four") == 4)
  local a = ffi.new("int[5]", 5, 3, 1, 4, 2) ffi.C.qsort(a, 5, 4, function(x, y) return x[0] - y[0] end) assert(a[0] == 1 and a[4] == 5) local x = 0 for i = 1, 5e7 do x = (x + i) % 1000003 end assert(x == 4270 or x > 0) end
print("ok")
END
lua5.4 test.lua | grep -qx ok; luajit test.lua | grep -qx ok; luajit -joff test.lua | grep -qx ok; luac5.4 -o compiled test.lua; lua5.4 compiled
