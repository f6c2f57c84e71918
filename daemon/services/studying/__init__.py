"""Studies: searched fold by fold, resumed where they were, judged, and proposed from."""
