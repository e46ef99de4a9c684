"""Map the rooms of the tree onto the one import namespace ``molaug``; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOMS = {
    "molaug": "augment",
    "molaug.structures": "structures",
    "molaug.generators": "generators",
    "molaug.filters": "filters",
}

setup(
    package_dir={**ROOMS, "molaug.checkpoints": "checkpoints"},
    packages=[
        *(
            package
            for name, folder in ROOMS.items()
            for package in (name, *(f"{name}.{sub}" for sub in find_packages(folder)))
        ),
        "molaug.checkpoints",
    ],
    package_data={
        "molaug": ["py.typed", "**/*.j2"],
        "molaug.structures.datasets": ["cards/*.yaml"],
        "molaug.checkpoints": ["*/*", "*/*/*"],
    },
    include_package_data=False,
)
