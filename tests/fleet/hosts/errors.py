"""The one error of the harness."""


class HostsError(Exception):
    """A test host could not be made or did not do as it was told; says which, and where to look."""
