"""Lab "Mystery net": a network with one hidden mistake of the catalogue, five probes, a name.

    from resnet_lessons.checks.mystery import mystery_net
    mystery_net()

`nets` says which networks are played and with which mistakes, `probes` what a probe shows, `rounds` which names stand to
choose from, so that five probes can tell them apart; `lab` puts them on the screen.
"""

from .lab import MysteryNet, mystery_net

__all__ = ["MysteryNet", "mystery_net"]
