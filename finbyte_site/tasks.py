"""Tasks that belong to no app below."""

from celery import current_app, shared_task

from finbyte_site.heartbeat import WorkerPulse, say_alive

# Tasks are imported before a worker builds its steps, and nowhere else are steps needed.
current_app.steps["worker"].add(WorkerPulse)


@shared_task(name="finbyte_site.pulse", ignore_result=True)
def pulse() -> None:
    """Say that the worker does work."""
    say_alive("worker")
