"""Commands of a person at a service that runs somewhere: import, analyse, report. Through `app.client` alone."""
