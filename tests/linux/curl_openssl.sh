# curl over HTTP and HTTPS; openssl's keys, digests, ciphers, its server and client.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2> /dev/null
seq 100000 > data; openssl s_server -quiet -accept 4433 -cert cert.pem -key key.pem -WWW > /dev/null 2>&1 & tls=$!
python3 -m http.server -b 127.0.0.1 8080 > /dev/null 2>&1 & plain=$!
curl -s --retry 60 --retry-delay 1 --retry-all-errors -o got http://127.0.0.1:8080/data; cmp data got
curl -s --retry 60 --retry-delay 1 --retry-all-errors --cacert cert.pem -o got-tls https://localhost:4433/data; cmp data got-tls
status=0; curl -s https://localhost:4433/data || status=$?; [ $status = 60 ]; status=0; curl -s http://127.0.0.1:1/ || status=$?; [ $status = 7 ]
status=0; curl -s -m 1 --connect-to ::127.0.0.1:4433 http://localhost/ > /dev/null || status=$?; [ $status = 28 ] || [ $status = 52 ] || [ $status = 1 ] || [ $status = 56 ]
[ "$(curl -s -r 0-9 -w '%{http_code}' file://$PWD/data | head -c 10 | tr '\n' ' ')" = "1 2 3 4 5 " ]; kill $tls $plain
openssl genrsa -out rsa.pem 2048 2> /dev/null; openssl dgst -sha256 -sign rsa.pem -out signature data; openssl rsa -in rsa.pem -pubout -out public.pem 2> /dev/null
[ "$(openssl dgst -sha256 -verify public.pem -signature signature data)" = "Verified OK" ]
for cipher in aes-256-cbc aes-128-ctr chacha20 camellia-128-cbc; do openssl enc -$cipher -pbkdf2 -k pass -in data -out coded; openssl enc -d -$cipher -pbkdf2 -k pass -in coded | cmp - data; done
[ "$(openssl dgst -sha512 -r data | cut -c1-128)" = "$(sha512sum data | cut -c1-128)" ]; openssl speed -seconds 1 -evp sha256 > /dev/null 2>&1; openssl rand -hex 16 | grep -qE '^[0-9a-f]{32}$'
echo ok
