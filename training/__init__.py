"""Learning from documents: data sets, training, evaluation, embedding to files, and the command line."""
