"""Where models lie: a folder of models, each with its versions."""
