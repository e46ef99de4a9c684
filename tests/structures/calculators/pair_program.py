"""A program as codes are: reads the file of its first argument, writes that of its second, knows nothing of others."""

import sys
import time
from pathlib import Path


def main(source, target):
    with Path(source).open() as file:
        n, charge, strength = file.readline().split()
        x = [[float(word) for word in file.readline().split()] for _ in range(int(n))]
    time.sleep(0.003)
    energy, forces = float(charge), [[0.0] * 3 for _ in x]
    for i, a in enumerate(x):
        for j, b in enumerate(x):
            if i != j:
                r = sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5
                energy += 0.5 * float(strength) / r
                for k in range(3):
                    forces[i][k] += float(strength) * (a[k] - b[k]) / r**3
    with Path(target).open("w") as file:
        file.write(f"{energy!r}\n")
        file.writelines(" ".join(map(repr, row)) + "\n" for row in forces)


if __name__ == "__main__":
    main(*sys.argv[1:])
