"""``controls/rules.yaml``: one file that holds every rule."""

from daemon.adapters.controls.yaml_file.controls import YamlControls

__all__ = ["YamlControls"]
