#!/usr/bin/env bash
# PySCF's basis set "6-31g(2df,p)" is not the one in which QM9 was computed, though both bear that name.
#
# QM9's level is B3LYP/6-31G(2df,p) by Gaussian 09. The same words in PySCF give methane, in QM9's own geometry, an
# energy 0.57 mHa (15 meV) too high, and with Cartesian d and f functions 1.9 mHa too low: more than the errors of a good
# model of QM9 (13 meV), and different for each composition. PySCF takes the two d functions of 6-311G(2df,p) for carbon
# (1.252 and 0.313); Gaussian splits the 0.8 of 6-31G(d) into 1.6 and 0.4 and uses six d and seven f functions, a
# mixture that PySCF's one switch (cart) cannot express. New labels "at the level of QM9" made by name are at another.
#
# The reference is QM9's entry 1: U0 -40.47893 Ha less the zero-point energy 0.044749 Ha. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "pyscf==2.14.0"
"$work/venv/bin/python" - <<'PY'
import pyscf
from pyscf import dft, gto

print("pyscf", pyscf.__version__)
QM9 = -40.47893 - 0.044749
METHANE = """
C -0.0126981359  1.0858041578  0.0080009958
H  0.002150416  -0.0060313176  0.0019761204
H  1.0117308433  1.4637511618  0.0002765748
H -0.540815069   1.4475266138 -0.8766437152
H -0.5238136345  1.4379326443  0.9063972942
"""


def d_exponents(basis):
    return [primitive[0] for shell in gto.basis.load(basis, "C") if shell[0] == 2 for primitive in shell[1:]]


for basis in ("6-31g(2df,p)", "6-311g(2df,p)", "6-31g(d)"):
    print(f"d exponents of carbon in {basis}: {d_exponents(basis)}")
assert d_exponents("6-31g(2df,p)") == d_exponents("6-311g(2df,p)") == [1.252, 0.313]
for cartesian, expected in ((False, +0.57), (True, -1.86)):
    mol = gto.M(atom=METHANE, basis="6-31g(2df,p)", cart=cartesian, verbose=0)
    field = dft.RKS(mol, xc="b3lypg")
    field.grids.level = 5
    off = 1000 * (field.kernel() - QM9)
    print(f"methane, B3LYP/6-31g(2df,p), {'Cartesian' if cartesian else 'pure'} functions: {off:+.3f} mHa from QM9")
    assert abs(off - expected) < 0.02, off
print("as described: neither is QM9's level")
PY
