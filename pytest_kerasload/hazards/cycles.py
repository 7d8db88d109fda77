"""Soft links of HDF5 that lead back to themselves, told from their names alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def looped(links: Mapping[str, str]) -> set[str]:
    """The links by which a reader who follows them comes back to where he was.

    ``links`` has their targets, as paths from the root. A reader comes from a group to what is below it, and from a
    link to its target: a link is looped if it is in a strongly connected component of these steps (Tarjan, 1972).
    """
    steps: dict[str, list[str]] = {}
    for link, target in links.items():
        steps.setdefault(link, []).append(target)
        below = link
        while below:
            above = below.rpartition("/")[0]
            known = above in steps
            steps.setdefault(above, []).append(below)
            if known:
                break
            below = above
    found: set[str] = set()
    for component in _components(steps):
        if len(component) > 1 or component[0] in steps.get(component[0], ()):
            found.update(links.keys() & component)
    return found


def _components(steps: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """The strongly connected components, without recursion: names may be nested as deep as somebody likes."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for start in steps:
        if start in index:
            continue
        work: list[tuple[str, Iterator[str]]] = []
        entered: str | None = start
        while entered is not None or work:
            if entered is not None:
                index[entered] = lowest[entered] = len(index)
                path.append(entered)
                on_path.add(entered)
                work.append((entered, iter(steps.get(entered, ()))))
                entered = None
            place, rest = work[-1]
            for after in rest:
                if after not in index:
                    entered = after
                    break
                if after in on_path:
                    lowest[place] = min(lowest[place], index[after])
            if entered is not None:
                continue
            work.pop()
            if work:
                above = work[-1][0]
                lowest[above] = min(lowest[above], lowest[place])
            if lowest[place] == index[place]:
                component: list[str] = []
                while not component or component[-1] != place:
                    component.append(path.pop())
                on_path.difference_update(component)
                yield component
