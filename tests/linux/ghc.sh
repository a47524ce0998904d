# ghc: compiles and runs, threaded runtime, exceptions, STM.
# system: full
# limit: 900
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > T.hs <<'END'
import Control.Concurrent
import Control.Concurrent.MVar
import Control.Exception
import Control.Monad
import qualified Data.Map as M
import System.Process
import System.Exit
main :: IO ()
main = do
  vs <- forM [1 .. 50] $ \i -> do { v <- newEmptyMVar; _ <- forkIO (putMVar v $! sum [1 .. i * 100]); return v }
  s <- sum <$> mapM takeMVar vs
  when (s /= (214688750 :: Int)) $ exitWith (ExitFailure 2)
  r <- try (evaluate (1 `div` (0 :: Int))) :: IO (Either ArithException Int)
  when (r /= Left DivideByZero) exitFailure
  out <- readProcess "cat" [] "through"
  when (out /= "through") exitFailure
  threadDelay 20000
  print (M.size (M.fromList [(i `mod` 1000, show i) | i <- [1 .. 50000 :: Int]]))
END
cp -r "$(dirname "$(readlink -f /usr/lib/ghc/package.conf.d/base-*.conf | head -n 1)")" db; ghc-pkg-* recache --package-db db 2> /dev/null || ghc-pkg recache --package-db db; export GHC_PACKAGE_PATH="$PWD/db"
ghc -v0 -O1 -threaded -rtsopts T.hs -package containers -package process; [ "$(./T)" = 1000 ]; [ "$(./T +RTS -N2)" = 1000 ]; [ "$(echo 'main = print (product [1..20])' > U.hs; runghc U.hs)" = 2432902008176640000 ]
echo ok
