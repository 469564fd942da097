"""Where one running copy keeps its things."""

from dataclasses import dataclass
from pathlib import Path

from finbyte_site.embedded.system import (
    SYSTEM_DATA,
    ServiceUser,
    StartError,
    can_enter,
    copy_mark,
    make_system_folder,
    private_folder,
    run_folder,
    service_user,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of a copy: `var` (ours), `run` (sockets), `services` (data of the servers)."""

    var: Path
    run: Path
    services: Path
    user: ServiceUser | None

    @property
    def logs(self) -> Path:
        """Return the folder of the processes' logs."""
        return self.var / "log"

    @property
    def secrets(self) -> Path:
        """Return the folder of passwords that the five processes never read."""
        return self.var / "secrets"

    @property
    def runtime_env(self) -> Path:
        """Return the file of settings that the processes read."""
        return self.var / "runtime.env"


def prepare_layout(var: Path) -> Layout:
    """Make the folders of the copy in `var`, readable by nobody else."""
    try:
        return _prepare(var)
    except OSError as error:
        raise StartError(f"{error.filename or var} cannot be made: {error.strerror}.") from error


def _prepare(var: Path) -> Layout:
    user = service_user()
    private_folder(var, user, group_enters=user is not None)
    services = var / "services"
    if not can_enter(var, user):
        # A parent that the service user cannot pass, say a 0700 home: we never open it.
        make_system_folder()
        services = SYSTEM_DATA / copy_mark(var)
    layout = Layout(var=var, run=run_folder(var), services=services, user=user)
    private_folder(services, user)
    private_folder(layout.run, user, group_enters=user is not None)
    private_folder(layout.logs)
    private_folder(layout.secrets)
    # Where the copy's own static files go; their server warns when the folder is missing.
    private_folder(var / "static")
    return layout
