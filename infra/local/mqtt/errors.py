"""What can go wrong when a rule's action is carried out."""


class ActionError(Exception):
    """An action could not be carried out."""
