"""`make bench-gateway`: what `/v1` costs, beside a bare proxy and nginx in the same run."""
