"""What a word of a name or a text is worth as evidence, by the sites that have it."""

import math
from dataclasses import dataclass

PRIOR = 4.0
"""Sites that a word is thought to have been seen on beforehand, where it said nothing."""
LEAST_SITES = {"names": 4, "texts": 12}
"""A word must be on as many sites; one site's habits are no evidence for another's."""

Statistics = dict[str, dict[str, dict[str, float]]]
"""Table ("names" or "texts") -> site -> word -> share of what it names that is main."""


@dataclass
class Table:
    """What one kind of word is worth, and the sums that it was made from."""

    sums: dict[str, tuple[float, int]]
    """Word -> sum of its shares over sites, number of sites."""
    mean: float
    least: int
    evidence: dict[str, float]

    def of(self, share: float, sites: int) -> float:
        """Return the log-odds of a word, in tenths: 0 where too few sites have it."""
        if sites < self.least:
            return 0.0
        odds = (share + PRIOR * self.mean) / (sites - share + PRIOR * (1 - self.mean))
        return round(math.log(odds * (1 - self.mean) / self.mean), 1)

    def without(self, site: dict[str, float]) -> dict[str, float]:
        """Return the evidence as it is without one site's shares."""
        evidence = dict(self.evidence)
        for word, own in site.items():
            share, sites = self.sums[word]
            if value := self.of(share - own, sites - 1):
                evidence[word] = value
            else:
                evidence.pop(word, None)
        return evidence


def tables(statistics: Statistics, sites: set[str]) -> dict[str, Table]:
    """Return what each kind of word is worth by some sites."""
    made = {}
    for kind, of_site in statistics.items():
        sums: dict[str, tuple[float, int]] = {}
        for site in sorted(sites & set(of_site)):
            for word, share in of_site[site].items():
                total, count = sums.get(word, (0.0, 0))
                sums[word] = (total + share, count + 1)
        mean = sum(share for share, _ in sums.values()) / max(1, sum(count for _, count in sums.values()))
        table = made[kind] = Table(sums, mean, LEAST_SITES[kind], {})
        table.evidence = {word: value for word in sorted(sums) if (value := table.of(*sums[word]))}
    return made
