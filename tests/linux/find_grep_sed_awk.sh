# find, xargs, grep, sed, mawk, gawk on a tree of files.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
mkdir -p tree/{1..20}/{a,b}; for f in tree/*/*; do seq 50 > "$f/numbers"; echo "name $f" > "$f/text.txt"; done
[ "$(find tree -name '*.txt' | wc -l)" = 40 ]; [ "$(find tree -type f -size -20c -print0 | xargs -0 -n 7 -P 4 cat | wc -l)" = 40 ]
[ "$(find tree -name numbers -exec grep -l '^49$' {} + | wc -l)" = 40 ]; [ "$(find tree -name text.txt -exec head -c 4 {} \; | wc -c)" = 160 ]
[ "$(grep -rh 'name.*/1[0-9]/a' tree | wc -l)" = 10 ]; [ "$(grep -rcP '^(\d)\1$' tree/1/a/numbers)" = 4 ]; grep -q -F 'name tree/3/b' tree/3/b/text.txt
[ "$(seq 20 | grep -E '^1?[02468]$' | tr '\n' ' ')" = "2 4 6 8 10 12 14 16 18 " ]
sed -i 's/name \(.*\)/\1 is the name/; $a end' tree/1/a/text.txt; [ "$(cat tree/1/a/text.txt)" = "$(printf 'tree/1/a is the name\nend')" ]
[ "$(seq 10 | sed -n '2~3{s/$/!/;p}' | tr '\n' ' ')" = "2! 5! 8! " ]; [ "$(printf 'a\nb\n' | sed 'N;s/\n/-/')" = a-b ]
for awk in mawk gawk; do
    [ "$(seq 1000 | $awk '{ s[$1 % 7] += $1 } END { for (i = 0; i < 7; i++) printf "%d ", s[i] }')" = "71071 71214 71357 71500 71643 71786 71929 " ]
    [ "$($awk 'BEGIN { while (("seq 3" | getline x) > 0) t = t x; print t; printf "%.10g %s\n", exp(1), toupper(substr("hello", 2, 3)) }')" = "$(printf '123\n2.718281828 ELL')" ]
done
[ "$(gawk 'BEGIN { "date -u +%Y" | getline y; print (y > 2000), strftime("%Y", 0, 1), gensub(/(.)(.)/, "\\2\\1", "g", "abcd"), (systime() > 0) }')" = "1 1970 badc 1" ] || exit 1
find tree -delete; [ ! -e tree ]
echo ok
