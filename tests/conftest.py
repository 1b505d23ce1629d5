"""What holds for every test."""

from hypothesis import settings

# A shared machine may stall for longer than any per-example deadline; the timeout of the
# whole test still catches a hang. A failure prints the blob that reproduces it.
settings.register_profile("kvorum", deadline=None, print_blob=True)
settings.load_profile("kvorum")
