"""placeholder"""

Method = object
