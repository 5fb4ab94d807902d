"""What holds for all tests: a property is checked on as many examples on a busy machine as on a quiet one."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("kai", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kai")
