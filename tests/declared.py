"""What a program declares, by logical name."""

from stacks.declarations import Declaration, Program

Declared = dict[str, Declaration]


def declared(program: Program) -> Declared:
    found = {item.name: item for item in program.declarations}
    assert len(found) == len(program.declarations)
    return found
