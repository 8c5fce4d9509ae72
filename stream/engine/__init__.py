"""What every stage runs on: worker, checkpoints, seeds and the Faust transport; nothing here knows what a
stage computes.
"""
