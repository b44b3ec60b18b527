"""What no road can carry: the limit behind the flag `count_above_physical_limit`, in the batch and in the stream."""

# PORTAL data guide: 17 vehicles in 20 seconds on one lane.
LIMIT_VEH_H_LANE = 3060
