"""The application that `api.benches.ticker` runs under Daphne."""

from api.benches.ticker import bench_application

application = bench_application()
