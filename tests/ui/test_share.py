"""The sharing tab as a visitor uses it: a real server over a tiny base, a stand-in of the Hub, a real Chromium."""
