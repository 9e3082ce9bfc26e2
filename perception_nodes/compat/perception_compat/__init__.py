"""What the drop-ins share: arithmetic of single transforms, stamps."""
