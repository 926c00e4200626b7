"""Where savepoints and checkpoints lie: local folders, and object storage through fsspec.

``location`` says which storage a path of Flink's means, ``port`` what is asked of one, ``stores`` opens it. Nothing
else of flinkops imports fsspec, and it is imported only once a path needs it.
"""
