"""What the paging system knows: the catalogue of metrics, the SLOs and alerts, and the files generated from them."""
