"""What goes wrong with the nodes of a running lab, each with its undo. The acts are real; only the cause is ours."""
