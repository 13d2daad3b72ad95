"""What the network is: parsed once, refused at load, frozen afterwards.

``model`` holds the nouns, ``load`` reads YAML into them, ``check`` finds what is wrong across files,
``addressing`` gives every loopback, link and user network its address, ``policy`` says who may reach
what, ``intent`` says what each device should do. Nothing here knows one district from another.
"""
