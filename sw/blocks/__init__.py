"""What `makalu docs` writes for the pages of docs/blocks: drawings of the lockstep model, tables of `spec`."""
