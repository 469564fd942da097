"""The application that `market.benches.hub` runs under Daphne."""

from market.benches.hub import bench_application

application = bench_application()
