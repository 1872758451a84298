"""The gateways people would write without Spoke, and the configurations of other servers."""
