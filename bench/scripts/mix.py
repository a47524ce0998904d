"""What scripts do: classes, dictionaries, sorting, regular expressions, JSON. Argument: the number of rounds."""

import collections
import json
import re
import sys


class Random:
    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = self.state * 16807 % 2147483647
        return self.state % limit


class Node:
    __slots__ = ("key", "left", "right")

    def __init__(self, key):
        self.key, self.left, self.right = key, None, None


def insert(root, key):
    while key != root.key:
        side = "left" if key < root.key else "right"
        below = getattr(root, side)
        if below is None:
            setattr(root, side, Node(key))
            return
        root = below


def in_order(root):
    if root is not None:
        yield from in_order(root.left)
        yield root.key
        yield from in_order(root.right)


def tree(random, count):
    root = Node(50000)
    for _ in range(count):
        insert(root, random.below(100000))
    return sum(key * place % 1009 for place, key in enumerate(in_order(root)))


def words(random, count):
    text = " ".join(f"{random.below(4000):x}-{random.below(90)}" for _ in range(count))
    counted = collections.Counter(re.findall(r"[a-f]+\d?", text))
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:5]


def records(random, count):
    rows = [{"id": i, "name": f"name {random.below(1000)}", "values": [random.below(100) for _ in range(5)]} for i in range(count)]
    back = json.loads(json.dumps(rows, indent=1))
    groups = collections.defaultdict(list)
    for row in back:
        groups[row["name"]].append(sum(row["values"]))
    return max((sum(values), name) for name, values in groups.items())


def main():
    random = Random(42)
    for turn in range(int(sys.argv[1])):
        print(turn, tree(random, 3000), words(random, 4000), records(random, 1000))


main()
