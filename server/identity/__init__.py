"""Who asks: keys, tokens and browsers' sign-ins, what each of them may, and whom a service acts for."""
