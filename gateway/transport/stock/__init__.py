"""What differs from the stock classes: options, serializers, and the versions they belong to."""
