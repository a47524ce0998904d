# tar with gzip, bzip2, xz, zstd: links, modes, sparse files, comparison, what escapes.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
mkdir -p tree/sub; seq 20000 > tree/numbers; ln -s numbers tree/symbolic; ln tree/numbers tree/sub/hard; chmod 751 tree/sub
truncate -s 4M tree/sparse; echo end >> tree/sparse; touch -d '2010-10-10 10:10:10 UTC' tree/numbers
for kind in gz bz2 xz zst; do
    tar -caSf "archive.tar.$kind" tree; mkdir "out.$kind"; tar -xf "archive.tar.$kind" -C "out.$kind"
    diff -r --no-dereference tree "out.$kind/tree"; tar -df "archive.tar.$kind"
    [ "$(stat -c '%Y %h' "out.$kind/tree/numbers")" = "1286705410 2" ]; [ "$(stat -c %a "out.$kind/tree/sub")" = 751 ]
done
[ "$(tar -tzf archive.tar.gz | wc -l)" = 6 ]; tar -C tree -cf - . | tar -C "out.gz" -xf -; [ -e out.gz/symbolic ]
tar --transform 's/^tree/other/' -xf archive.tar.xz; [ -e other/sub/hard ]; status=0; tar -xf numbers 2> /dev/null || status=$?; [ $status = 2 ]
cp tree/numbers copy; mv copy tree/numbers; gzip -k9 tree/numbers; zcat tree/numbers.gz | cmp - tree/numbers; xz -T2 -k tree/numbers; xzcat tree/numbers.xz | cmp - tree/numbers
zstd -q -T2 -k tree/numbers; zstdcat tree/numbers.zst | cmp - tree/numbers; head -c 100 tree/numbers.gz > cut.gz; status=0; zcat cut.gz > /dev/null 2>&1 || status=$?; [ $status != 0 ]
echo ok
