"""The octets of a message: one pass, offsets, ENVELOPE, BODYSTRUCTURE, decoding; pure."""
