"""Weights from elsewhere: .pth files of the original, and MobileNetV2 of Keras."""
