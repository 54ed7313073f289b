"""The names of the files of draws; without NumPy, for who only hands them out."""

NETCDF, PARQUET, CSV = "draws.nc", "draws.parquet", "draws.csv.gz"
