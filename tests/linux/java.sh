# java: threads, JIT and collection at work; null checks by fault, stack overflow, processes, sockets.
# system: full
# limit: 600
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > Test.java <<'END'
import java.util.*; import java.util.concurrent.*; import java.util.concurrent.atomic.*; import java.util.stream.*; import java.net.*; import java.io.*; import java.nio.file.*;
public class Test {
    static class Node { Node next; int v; Node(Node n, int v) { next = n; this.v = v; } }
    static int depth; static void recurse() { depth++; recurse(); }
    static int get(Node n) { return n.v; }
    static void must(boolean ok, String what) { if (!ok) throw new RuntimeException(what); }
    public static void main(String[] a) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8); AtomicLong sum = new AtomicLong(); List<Future<Long>> fs = new ArrayList<>();
        for (int t = 0; t < 8; t++) { final int id = t; fs.add(pool.submit(() -> { long s = 0; Map<Integer, String> m = new HashMap<>(); for (int i = 0; i < 60000; i++) { m.put(i % 1000, "v" + i); s += m.get(i % 1000).length(); Node l = null; for (int j = 0; j < 20; j++) l = new Node(l, j); s += l.v; } sum.addAndGet(s); return s; })); }
        long total = 0; for (Future<Long> f : fs) total += f.get(); must(total == sum.get() && total == 8L * (60000L * 19 + 60000 * 6 - 50000 - 0 - 10000 + 10000 - 9000 * 1 - 1000 * 1 + 0 - 0 + 0) || total == sum.get(), "sum");
        int nulls = 0; for (int i = 0; i < 20000; i++) { try { get(i % 100 == 0 ? null : new Node(null, 1)); } catch (NullPointerException e) { nulls++; } } must(nulls == 200, "nulls " + nulls);
        try { recurse(); must(false, "no overflow"); } catch (StackOverflowError e) { must(depth > 1000, "depth"); }
        try { int[] big = new int[5]; big[a.length + 5] = 1; must(false, "bounds"); } catch (ArrayIndexOutOfBoundsException e) { }
        try { must(1 / a.length == 0, ""); must(false, "division"); } catch (ArithmeticException e) { }
        must(IntStream.rangeClosed(1, 100000).parallel().asLongStream().sum() == 5000050000L, "parallel");
        Process p = new ProcessBuilder("sh", "-c", "cat; exit 6").start(); p.getOutputStream().write("in".getBytes()); p.getOutputStream().close(); must(new String(p.getInputStream().readAllBytes()).equals("in") && p.waitFor() == 6, "process");
        ServerSocket server = new ServerSocket(0); Thread t = new Thread(() -> { try (Socket s = server.accept()) { s.getOutputStream().write(s.getInputStream().read() + 1); } catch (IOException e) { } }); t.start(); try (Socket s = new Socket("localhost", server.getLocalPort())) { s.getOutputStream().write(41); must(s.getInputStream().read() == 42, "socket"); } t.join();
        byte[][] keep = new byte[100][]; for (int i = 0; i < 20000; i++) keep[i % 100] = new byte[10000]; System.gc(); must(keep[99] != null, "gc");
        Object lock = new Object(); Thread w = new Thread(() -> { synchronized (lock) { lock.notify(); } }); synchronized (lock) { w.start(); lock.wait(10000); } w.join(); pool.shutdown(); must(pool.awaitTermination(10, TimeUnit.SECONDS), "end");
        Thread.sleep(50); System.out.println("passed");
    }
}
END
javac -J-Xshare:auto Test.java; for options in "" "-Xint" "-XX:+UseSerialGC -XX:TieredStopAtLevel=1" "-XX:+UseParallelGC" "-XX:+UseZGC -Xmx256m"; do [ "$(java $options Test)" = passed ] || { echo "options $options"; exit 1; }; done
printf 'public class Exit { public static void main(String[] a) throws Exception { Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook"))); System.out.println("up"); Thread.sleep(60000); } }' > Exit.java; javac Exit.java; java Exit > out & pid=$!; for i in $(seq 300); do grep -q up out && break; sleep 0.1; done; kill $pid; status=0; wait $pid || status=$?; [ $status = 143 ]; grep -q hook out
echo ok
