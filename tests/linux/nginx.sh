# nginx: master and workers, files by sendfile, reload, TLS.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
mkdir -p logs tmp html; seq 100000 > html/data; openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2> /dev/null
u=root; cat > nginx.conf <<END
$([ "$(id -u)" != 0 ] || echo "user root;")
worker_processes 2; pid $PWD/nginx.pid; error_log $PWD/logs/error.log; daemon on; events { worker_connections 64; }
http { access_log $PWD/logs/access.log; sendfile on; client_body_temp_path $PWD/tmp/b; proxy_temp_path $PWD/tmp/p; fastcgi_temp_path $PWD/tmp/f; uwsgi_temp_path $PWD/tmp/u; scgi_temp_path $PWD/tmp/s; gzip on; gzip_types text/plain; default_type text/plain;
  server { listen 127.0.0.1:8081; root $PWD/html; location /again/ { proxy_pass http://127.0.0.1:8081/; } } server { listen 127.0.0.1:8444 ssl; ssl_certificate $PWD/cert.pem; ssl_certificate_key $PWD/key.pem; root $PWD/html; } }
END
nginx -p "$PWD" -c "$PWD/nginx.conf" -t 2> check || { cat check; exit 1; }; nginx -p "$PWD" -c "$PWD/nginx.conf"
get() { curl -s --retry 30 --retry-delay 1 --retry-all-errors "$@"; }; get http://127.0.0.1:8081/data | cmp - html/data; get --compressed http://127.0.0.1:8081/again/data | cmp - html/data; get -k https://127.0.0.1:8444/data | cmp - html/data
old=$(cat nginx.pid); kill -HUP "$old"; sleep 1; get http://127.0.0.1:8081/data | cmp - html/data; ab -q -n 500 -c 10 http://127.0.0.1:8081/ > ab 2>&1 || true; grep -q "Complete requests: *500" ab; kill -QUIT "$old"; for i in $(seq 100); do [ -e nginx.pid ] || break; sleep 0.1; done; [ ! -e nginx.pid ]
echo ok
