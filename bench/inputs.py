"""Makes the inputs of the real programs in bench/.build/inputs: the same bytes on every machine. Knows no program."""

import hashlib
import itertools
import pathlib
import random

DIRECTORY = pathlib.Path(__file__).resolve().parent / ".build/inputs"


def kept(name, make):
    """The path of the input called `name`; `make` gives its bytes when it is not there, or was made otherwise."""
    # The code that makes inputs is part of the name, so that a change of it makes new ones.
    version = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()[:8]
    path = DIRECTORY / f"{version}-{name}"
    if not path.exists():
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        aside.write_bytes(make())
        aside.rename(path)
    return path


def vocabulary(source):
    syllables = [a + b for a, b in itertools.product(["b", "d", "f", "k", "l", "m", "n", "r", "s", "st", "t", "v"], "aeiou")]
    words = {"".join(source.choices(syllables, k=source.choice([1, 1, 2, 2, 2, 3, 3, 4]))) for _ in range(12000)}
    words = sorted(words)
    source.shuffle(words)
    return words


def text(mebibytes):
    """Lines of words, some far more frequent than others as in a language, and a number in each line."""

    def make():
        source = random.Random(1)
        words = vocabulary(source)
        weights = list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1)))
        lines, size = [], 0
        while size < mebibytes * 2**20:
            chosen = source.choices(words, cum_weights=weights, k=6000)
            numbers = source.choices(range(100000), k=600)
            for index, number in enumerate(numbers):
                line = " ".join(chosen[index * 10:index * 10 + 4 + number % 7]) + f" {number}\n"
                lines.append(line)
                size += len(line)
        return "".join(lines).encode()

    return kept(f"{mebibytes}.txt", make)


def statements(rows):
    """SQL: a filled and indexed table, and queries over it."""

    def make():
        source = random.Random(2)
        words = vocabulary(source)
        lines = ["create table item (id integer primary key, name text, kind integer, price integer);",
                 "create table sale (item integer, day integer, amount integer);", "begin;"]
        for number in range(rows):
            word = source.choice(words)
            lines.append(f"insert into item values ({number}, '{word} {number % 97}', {source.randrange(50)}, {source.randrange(9999)});")
            lines.append(f"insert into sale values ({source.randrange(rows)}, {source.randrange(365)}, {source.randrange(1, 20)});")
        lines += [
            "commit;",
            "create index sale_item on sale (item);",
            "create index item_name on item (name);",
            "select kind, count(*), sum(price * amount) from item join sale on sale.item = item.id group by kind order by 3 desc limit 9;",
            "select day, sum(amount) from sale where day between 100 and 200 group by day having sum(amount) % 3 = 0 order by day;",
            "select name, price from item where name like '%ka% 1%' order by name, id limit 20;",
            "select count(*) from item a join item b on a.name = b.name and a.id < b.id;",
            "update item set price = price + (select coalesce(sum(amount), 0) from sale where sale.item = item.id);",
            "delete from sale where amount in (select amount from sale group by amount order by count(*) limit 5);",
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) "
            "select sum(i * i % 7), group_concat(substr(hex(i), -1), '') from n where i % 501 = 0;",
            "select sum(price), max(name), min(name) from item;",
            "select count(*), sum(amount) from sale;",
        ]
        return "\n".join(lines).encode() + b"\n"

    return kept(f"{rows}.sql", make)


# One function each of what compilers see: loops over arrays, branches, switches, structures, calls, floating point.
C_FUNCTIONS = ["""
static int sum_{n}(const int *values, int count)
{{
    int total = {a};
    for (int i = 0; i < count; i++) {{
        if (values[i] % {b} == 0)
            total += values[i] * {c};
        else if (values[i] > total)
            total ^= values[i] >> {d};
        else
            total -= i;
    }}
    return total;
}}
""", """
static unsigned step_{n}(unsigned state, unsigned input)
{{
    switch ((state + input) % {e}) {{
    case 0: return state * {a}u + input;
    case 1: return (state << {d}) | (state >> (32 - {d}));
    case 2: return state ^ (input * {b}u);
    case 3: return input > {c}u ? state - input : input - state;
    case 4: return state / ({b}u + input % {a}u);
    case 5: state ^= input; /* falls through */
    case 6: return state & ~{c}u;
    default: return state + {e};
    }}
}}
""", """
struct record_{n} {{
    struct record_{n} *next;
    long key;
    char name[{b}];
    short flags[{e}];
}};

static struct record_{n} *find_{n}(struct record_{n} *list, long key, const char *name)
{{
    struct record_{n} *best = 0;
    for (; list; list = list->next) {{
        int i = 0;
        while (i < {b} && list->name[i] && list->name[i] == name[i])
            i++;
        if (i == {b} || (list->key & {a}) == (key & {a})) {{
            list->flags[i % {e}] |= 1 << ({d} % 15);
            if (!best || best->key < list->key)
                best = list;
        }}
    }}
    return best;
}}

long use_{n}(struct record_{n} *list, long key)
{{
    char name[{b}] = {{0}};
    for (int i = 0; i < {b} - 1; i++)
        name[i] = (char)('a' + (key >> i) % {e});
    struct record_{n} *found = find_{n}(list, key, name);
    return found ? found->key + found->flags[{e} - 1] : -{c};
}}
""", """
static double shape_{n}(const double *x, double *restrict y, int count, double scale)
{{
    double norm = 0;
    for (int i = 1; i + 1 < count; i++) {{
        double here = (x[i - 1] - 2 * x[i] + x[i + 1]) * scale;
        y[i] = here > {c}.0 ? {c}.0 : here / ({b}.5 + y[i] * y[i]);
        norm += y[i] * x[i];
    }}
    return norm;
}}
""", """
void matrix_{n}(int rows, int columns, const float *restrict a, float *restrict b)
{{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {{
            float sum = 0;
            for (int k = 0; k < {e}; k++)
                sum += a[i * {e} + k] * b[k * columns + j];
            b[i * columns + j] = sum + (float)((i * {a} + j) % {b});
        }}
}}
""", """
long parse_{n}(const char **text, int depth)
{{
    long value = 0;
    if (depth > {e})
        return {a};
    while (**text == ' ')
        ++*text;
    if (**text == '(') {{
        ++*text;
        value = parse_{n}(text, depth + 1);
        while (**text && **text != ')') {{
            char op = *(*text)++;
            long right = parse_{n}(text, depth + 1);
            value = op == '+' ? value + right : op == '*' ? value * right : op == '/' && right ? value / right : value - {b};
        }}
        if (**text)
            ++*text;
        return value;
    }}
    while (**text >= '0' && **text <= '9')
        value = value * 10 + (*(*text)++ - '0');
    return value;
}}
"""]
C_USER = """
unsigned long all_{n}(int *values, double *x, double *y, int count)
{{
    unsigned state = {a};
    for (int i = 0; i < count; i += {d})
        state = step_{s}(state, (unsigned)sum_{m}(values + i, count - i > {b} ? {b} : count - i));
    return state + (unsigned long)shape_{f}(x, y, count, {e} / 8.0);
}}
"""


def c_source(groups):
    """Preprocessed C of its own, about 125 lines for each group."""

    def make():
        source = random.Random(3)
        parts = []
        for group in range(groups):
            for kind, function in enumerate(C_FUNCTIONS):
                numbers = {"a": source.randrange(3, 250), "b": source.randrange(4, 40), "c": source.randrange(2, 90),
                           "d": source.randrange(1, 16), "e": source.randrange(5, 12)}
                parts.append(function.format(n=group, **numbers))
            parts.append(C_USER.format(n=group, s=group, m=group, f=group, **numbers))
        return "".join(parts).encode()

    return kept(f"{groups}.c", make)
