"""What tests need to make a node's world fail on purpose: shipped, so that users can too."""
