#!/usr/bin/env bash
# In GFN1-xTB and GFN2-xTB through tblite, the gap between triplet and singlet O2 is 4 kT ln 2 of the electronic
# temperature, for both methods, to the last digits: the triplet lies above the singlet.
#
# tblite's ASE calculator takes a multiplicity, and one expects that multiplicity=3 gives dioxygen its ground state. The
# methods have no spin-dependent energy: the multiplicity only says how many orbitals are filled by each spin. The
# closed shell smears its electrons over the two degenerate antibonding orbitals and gains the free energy of that
# entropy (300 K by default), the triplet cannot; so the "singlet-triplet gap" is a property of the temperature alone,
# wrong in sign, and grows with it. With spin_polarization=1.0 (spGFN-xTB) the triplet is the ground state, as in nature
# (0.98 eV below). Labels of radicals and diradicals made with the multiplicity alone carry no exchange energy.
#
# Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "tblite==0.8.0" "ase==3.29.0" "numpy==2.4.6"
OMP_NUM_THREADS=1 "$work/venv/bin/python" - <<'PY'
from importlib.metadata import version
from math import log

from ase import Atoms
from ase.units import kB
from tblite.ase import TBLite

print("tblite", version("tblite"), "ase", version("ase"))


def gap(method, **options):
    energies = []
    for multiplicity in (3, 1):
        oxygen = Atoms("OO", [(0, 0, 0), (0, 0, 1.2075)])
        oxygen.calc = TBLite(method=method, multiplicity=multiplicity, verbosity=0, **options)
        energies.append(float(oxygen.get_potential_energy()))
    return energies[0] - energies[1]


for temperature in (300.0, 1000.0):
    entropy = 4 * kB * temperature * log(2)
    for method in ("GFN1-xTB", "GFN2-xTB"):
        found = gap(method, electronic_temperature=temperature)
        print(f"{method} at {temperature:g} K: E(triplet) - E(singlet) = {found:+.6f} eV; 4 kT ln 2 = {entropy:.6f} eV")
        assert abs(found - entropy) < 1e-4, found
polarised = gap("GFN2-xTB", spin_polarization=1.0)
print(f"spGFN2-xTB at 300 K: {polarised:+.6f} eV")
assert polarised < -0.1, polarised
print("as described: the multiplicity alone gives the entropy of smearing and nothing else")
PY
