"""A classifier as the calibrated sum of parts, each of which may be left out.

stacking   linear parts fitted and chosen, where the transformer starts from, what it counts in the end
linear     the linear parts: what each reads of the records, and how it is fitted
choice     what a part costs and weighs, on predictions out of fold
noise      training records that the folds disagree with: perhaps their labels are wrong
"""
