"""What to cite for the methods of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

#: By the name of a part or of a choice among its options.
METHODS: Mapping[str, str] = MappingProxyType(
    {
        "amons": "B. Huang, O. A. von Lilienfeld, Nat. Chem. 12, 945 (2020), doi:10.1038/s41557-020-0527-z",
        "conformers": "S. Wang et al., J. Chem. Inf. Model. 60, 2044 (2020), doi:10.1021/acs.jcim.0c00025",
        "normal-modes": "J. S. Smith, O. Isayev, A. E. Roitberg, Sci. Data 4, 170193 (2017), "
        "doi:10.1038/sdata.2017.193",
        "dynamics": "P. Eastman et al., Sci. Data 10, 11 (2023), doi:10.1038/s41597-022-01882-6",
        "torsions": "Y. Qiu et al., J. Chem. Phys. 152, 244116 (2020), doi:10.1063/5.0009232",
        "perturb": "J. L. A. Gardner et al., arXiv:2506.10956 (2025)",
        "graph": "A. Campbell et al., arXiv:2402.04997 (2024); Y. Qin et al., arXiv:2410.04263 (2024)",
        "diffusion": "Y. Lipman et al., arXiv:2210.02747 (2022); A. Campbell et al., arXiv:2402.04997 (2024)",
        "diffusion-conformers": "Y. Lipman et al., arXiv:2210.02747 (2022)",
        "mmff94": "P. Tosco, N. Stiefl, G. Landrum, J. Cheminform. 6, 37 (2014), doi:10.1186/s13321-014-0037-3",
        "mmff94s": "P. Tosco, N. Stiefl, G. Landrum, J. Cheminform. 6, 37 (2014), doi:10.1186/s13321-014-0037-3",
        "gfn2-xtb": "C. Bannwarth, S. Ehlert, S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019), "
        "doi:10.1021/acs.jctc.8b01176",
        "gfn1-xtb": "S. Grimme, C. Bannwarth, P. Shushkov, J. Chem. Theory Comput. 13, 1989 (2017), "
        "doi:10.1021/acs.jctc.7b00118",
        "spgfn2-xtb": "H. Neugebauer et al., J. Comput. Chem. 44, 2120 (2023), doi:10.1002/jcc.27185",
        "spgfn1-xtb": "H. Neugebauer et al., J. Comput. Chem. 44, 2120 (2023), doi:10.1002/jcc.27185",
        "b3lyp/6-31g(2df,p)": "Q. Sun et al., J. Chem. Phys. 153, 024109 (2020), doi:10.1063/5.0006074 (PySCF)",
        "wb97x/6-31g(d)": "Q. Sun et al., J. Chem. Phys. 153, 024109 (2020), doi:10.1063/5.0006074 (PySCF)",
    }
)


def methods_of(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return what to cite for the parts of a configuration.

    Parameters
    ----------
    configuration
        As in ``config.yaml``: names of parts, with or without their options.

    Returns
    -------
    dict
        Reference by name, in the order in which the names appear; parts without a reference are left out.

    Examples
    --------
    >>> list(methods_of({"generators": [{"amons": {"max_heavy": 5}}], "label": {"calculator": "gfn2-xtb"}}))
    ['amons', 'gfn2-xtb']
    """
    parts = {key: configuration.get(key) for key in ("generators", "filters", "select", "label")}
    return {name: METHODS[name] for name in _names(parts) if name in METHODS}


def _names(value: Any) -> Iterator[str]:
    """Yield all keys and texts, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)
