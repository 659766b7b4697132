"""Who may ask and who must agree: pure rules."""
